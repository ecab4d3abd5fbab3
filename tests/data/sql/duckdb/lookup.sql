SELECT CAST("id" AS TEXT) AS """id""", CAST("slug" AS TEXT) AS """slug"""
FROM "council"
WHERE "id" IS NOT NULL AND "slug" IS NOT NULL ORDER BY "slug", "id"
