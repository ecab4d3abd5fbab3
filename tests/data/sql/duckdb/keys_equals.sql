SELECT 1
FROM "figure"
WHERE "field_id" = 'de''bt' AND "field_id" = 'inf'
 LIMIT 1
