SELECT CAST(f."year_id" AS TEXT) AS "f.""year_id""", CAST(f."field_id" AS TEXT) AS "f.""field_id""", f."m0", sum(f."value"), count(f."value"), count(f."value")
FROM (SELECT f."year_id", f."field_id", f."value", ('{1,0,3}'::smallint[])[f."council_id"] AS m0
FROM "figure" AS f
WHERE f."field_id" IN ('7', '9')
 LIMIT ALL OFFSET '0') AS f GROUP BY f."year_id", f."field_id", f."m0"
