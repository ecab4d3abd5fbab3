SELECT DISTINCT CAST("council_id" AS TEXT) AS """council_id"""
FROM "figure"
WHERE CAST("council_id" AS TEXT) IN ('leeds', 'it''s')
