SELECT CAST(d."k" AS TEXT) AS "d.""k"""
FROM (SELECT DISTINCT "region" AS k
FROM "council"
WHERE "region" IS NOT NULL AND (
region = 'North' -- as the site has it
)
 LIMIT 1001) AS d ORDER BY d."k"
