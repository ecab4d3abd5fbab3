SELECT DISTINCT f."year_id", m."m0"
FROM "figure" AS f LEFT OUTER JOIN "temp".countercache_masks AS m ON m."key" = f."council_id"
WHERE (f."value" IS NOT NULL) AND f."field_id" IN (7, 12, 9) AND (f."year_id" NOT IN (2021, '2022'''))
