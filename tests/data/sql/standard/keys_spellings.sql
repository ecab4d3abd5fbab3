SELECT min("region")
FROM "council"
WHERE "region" IN ('South', 'North') GROUP BY "region" ORDER BY "region"
