SELECT min(CAST("region" AS TEXT) COLLATE C)
FROM "council"
WHERE "region" IN ('South', 'North') GROUP BY "region" ORDER BY "region"
