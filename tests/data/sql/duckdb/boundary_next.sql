SELECT CAST(b."k" AS TEXT) AS "b.""k""", b."n"
FROM (SELECT a."k" AS k, row_number() OVER (ORDER BY a."k") AS n
FROM (SELECT "id" AS k
FROM "council"
WHERE "id" IS NOT NULL AND "id" > 'x''y' ORDER BY "id"
 LIMIT 1000) AS a) AS b ORDER BY b."n" DESC
 LIMIT 1
