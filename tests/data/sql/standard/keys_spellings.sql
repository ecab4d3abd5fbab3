SELECT min("region") AS min_1
FROM "council"
WHERE "region" IN ('South', 'North') GROUP BY "region" ORDER BY "region"
