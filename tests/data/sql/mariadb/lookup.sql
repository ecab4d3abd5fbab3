SELECT `id`, `slug`
FROM `council`
WHERE `id` IS NOT NULL AND `slug` IS NOT NULL ORDER BY `slug`, `id`
