DROP TABLE IF EXISTS temp.countercache_masks;
CREATE TABLE temp.countercache_masks (key NUMERIC COLLATE BINARY, m0);
INSERT INTO temp.countercache_masks SELECT "council_id" AS "key", max(CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END) + max(CASE WHEN ((CAST("council_id" AS TEXT) COLLATE "BINARY") IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END) AS m0
FROM "figure"
WHERE "council_id" IS NOT NULL GROUP BY "council_id";
CREATE INDEX temp.countercache_masks_key ON countercache_masks (key, m0)
