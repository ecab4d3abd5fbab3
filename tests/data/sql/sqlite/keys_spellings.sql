SELECT coalesce(min(CASE typeof("region") WHEN 'integer' THEN "region" END), min("region" COLLATE BINARY))
FROM "council"
WHERE "region" IN ('South', 'North') GROUP BY "region" ORDER BY "region"
