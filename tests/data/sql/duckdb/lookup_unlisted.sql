SELECT count(*) AS count_1
FROM (SELECT f."year_id" AS k
FROM "figure" AS f
 LIMIT 10000) AS u LEFT OUTER JOIN (SELECT "id" AS k
FROM "site"."year"
WHERE "id" IS NOT NULL AND (
lang = 'en'
)) AS l ON u."k" = l."k"
WHERE u."k" IS NOT NULL AND l."k" IS NULL
