SELECT count(*) AS count_1
FROM (SELECT u."k"
FROM (SELECT "council_id" AS k, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END AS flag
FROM "figure"
 LIMIT 10000) AS u
WHERE u."k" IS NOT NULL GROUP BY u."k"
HAVING max(u."flag") > min(u."flag")) AS m
