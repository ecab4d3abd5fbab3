SELECT "field_id" = 7.0 AS anon_1, "field_id" = '7' AS anon_2, "field_id" = X'37' AS anon_3, "field_id" = CAST(X'610062' AS TEXT) AS anon_4
FROM "figure"
WHERE "field_id" = 7
 LIMIT 1 OFFSET 0
