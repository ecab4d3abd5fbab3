SELECT DISTINCT toString(`council_id`) AS `toString_1`
FROM `figure`
WHERE toString(`council_id`) IN ('leeds', 'it''s')
