SELECT DISTINCT CAST("slug" AS TEXT) AS """slug"""
FROM "council"
WHERE (CAST("slug" AS TEXT) COLLATE "BINARY") IN ('leeds', 'it''s')
