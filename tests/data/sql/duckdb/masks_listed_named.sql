SELECT DISTINCT CAST("slug" AS TEXT) AS """slug"""
FROM "council"
WHERE "slug" IN ('leeds', 'it''s')
