SELECT CASE WHEN ("field_id" = '7.0') THEN 1 ELSE 0 END AS anon_1, CASE WHEN ("field_id" = '7') THEN 1 ELSE 0 END AS anon_2, CASE WHEN ("field_id" = 'b''7''') THEN 1 ELSE 0 END AS anon_3, CASE WHEN ("field_id" = 'a' || chr(0) || 'b') THEN 1 ELSE 0 END AS anon_4
FROM "figure"
WHERE "field_id" = '7'
 LIMIT 1
