SELECT m."m0", count(*) AS count_1, NULL, NULL
FROM "temp".countercache_masks AS m GROUP BY m."m0"
