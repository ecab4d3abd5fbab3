SELECT 1
FROM (SELECT f."council_id", f."year_id"
FROM "figure" AS f
 LIMIT 10000) AS f
WHERE f."council_id" IS NOT NULL AND f."year_id" IS NOT NULL GROUP BY f."council_id", f."year_id"
HAVING count(*) > 1
 LIMIT 1
