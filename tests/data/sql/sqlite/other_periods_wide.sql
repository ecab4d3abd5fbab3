SELECT DISTINCT f."year", m."m0"
FROM "site"."budget" AS f LEFT OUTER JOIN "temp".countercache_masks AS m ON m."key" = f."council_id"
WHERE (f."debt" IS NOT NULL OR f."population" IS NOT NULL OR f."reserves" IS NOT NULL) AND (f."year" NOT IN (2021, '2022'''))
