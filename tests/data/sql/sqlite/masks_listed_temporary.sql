DROP TABLE IF EXISTS temp.countercache_masks;
CREATE TABLE temp.countercache_masks (key INTEGER PRIMARY KEY, m0);
INSERT INTO temp.countercache_masks SELECT "id" AS "key", CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN ((CAST("slug" AS TEXT) COLLATE "BINARY") IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS m0
FROM "council"
WHERE "id" IS NOT NULL
