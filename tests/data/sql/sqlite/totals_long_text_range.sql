SELECT f."year_id", f."field_id", m."m0", sum(CASE WHEN +f."value" BETWEEN -1799999999999 AND 1799999999999 AND round(f."value" * 100) / 100.0 = f."value" THEN CAST(round(f."value" * 100) AS INTEGER) WHEN f."value" IS NOT NULL THEN 0.0 END), count(f."value"), NULL
FROM "figure" AS f LEFT OUTER JOIN "temp".countercache_masks AS m ON m."key" = f."council_id"
WHERE f."field_id" IN (7, 9) AND (f."council_id" > 'a''b') GROUP BY f."year_id", f."field_id", m."m0"
