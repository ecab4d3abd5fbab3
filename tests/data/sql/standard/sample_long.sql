SELECT count(CASE WHEN f."field_id" = 7 THEN f."value" END), count(CASE WHEN 1 = 0 AND f."field_id" = 7 THEN 1 END), min(CASE WHEN 1 = 0 AND f."field_id" = 7 THEN NULL END), count(CASE WHEN f."field_id" = 9 THEN f."value" END), count(CASE WHEN 1 = 0 AND f."field_id" = 9 THEN 1 END), min(CASE WHEN 1 = 0 AND f."field_id" = 9 THEN NULL END)
FROM (SELECT f."council_id", f."field_id", f."value", f."year_id"
FROM "figure" AS f
 LIMIT 10000) AS f
WHERE f."field_id" IN (7, 9)
