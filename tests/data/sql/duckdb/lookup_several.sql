SELECT count(*) AS count_1
FROM (SELECT u."k"
FROM (SELECT f."council_id" AS k, f."region" AS v
FROM "figure" AS f
 LIMIT 10000) AS u
WHERE u."k" IS NOT NULL AND CAST(u."v" AS TEXT) != '' GROUP BY u."k"
HAVING count(DISTINCT u."v") > 1) AS m
