SELECT DISTINCT toString(`slug`) AS `toString_1`
FROM `council`
WHERE `slug` IN ('leeds', 'it''s')
