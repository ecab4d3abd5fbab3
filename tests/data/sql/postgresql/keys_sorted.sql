SELECT k::text FROM (SELECT "region" AS k
FROM "council"
WHERE 1 = 0 UNION ALL SELECT v.k::text FROM (VALUES ('South'), ('North')) AS v(k)) AS s ORDER BY s.k
