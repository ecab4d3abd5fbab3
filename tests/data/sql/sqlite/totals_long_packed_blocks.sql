SELECT CASE WHEN +f."year_id" BETWEEN -1000000000 AND 1000000000 THEN (f."year_id" * 7 + f."field_id" - 7) * 5 + coalesce(m.m0, 0) ELSE '' END AS k, sum(CASE WHEN +f."value" BETWEEN -1799999999999 AND 1799999999999 AND round(f."value" * 100) / 100.0 = f."value" THEN CAST(round(f."value" * 100) AS INTEGER) WHEN f."value" IS NOT NULL THEN 0.0 END), count(f."value"), NULL
FROM "figure" AS f LEFT OUTER JOIN "temp".countercache_masks AS m ON m."key" = f."council_id"
WHERE f."field_id" IN (7, 9) AND +f."field_id" BETWEEN 7 AND 13 AND (f.rowid <= 100) GROUP BY 1
