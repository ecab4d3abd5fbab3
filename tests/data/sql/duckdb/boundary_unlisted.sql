SELECT CAST(b."k" AS TEXT) AS "b.""k""", b."n"
FROM (SELECT a."k" AS k, row_number() OVER (ORDER BY a."k") AS n
FROM (SELECT DISTINCT "council_id" AS k
FROM "figure"
WHERE "council_id" IS NOT NULL AND "council_id" > '4' ORDER BY "council_id"
 LIMIT 1000) AS a) AS b ORDER BY b."n" DESC
 LIMIT 1
