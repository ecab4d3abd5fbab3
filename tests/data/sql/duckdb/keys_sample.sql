SELECT CAST(d."k" AS TEXT) AS "d.""k""", count(*) AS count_1
FROM (SELECT "field_id" AS k
FROM "figure"
 LIMIT 100000) AS d GROUP BY d."k" ORDER BY d."k"
