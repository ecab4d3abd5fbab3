SELECT CAST("id" AS TEXT) AS """id"""
FROM "site"."year"
WHERE "id" IS NOT NULL AND (
lang = 'en'
) GROUP BY "id"
HAVING count(*) > 1
 LIMIT 1
