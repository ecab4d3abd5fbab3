SELECT 1
FROM "figure"
WHERE "field_id" = 'de''bt' AND "field_id" = 9e999
 LIMIT 1 OFFSET 0
