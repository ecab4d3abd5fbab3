SELECT k FROM (SELECT "region" AS k
FROM "council"
WHERE 1 = 0 UNION ALL SELECT column1 FROM (VALUES ('South'), ('North'))) ORDER BY k
