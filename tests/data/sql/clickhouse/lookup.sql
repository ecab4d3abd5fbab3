SELECT toString(`id`) AS `toString_1`, toString(`slug`) AS `toString_2`
FROM `council`
WHERE `id` IS NOT NULL AND `slug` IS NOT NULL ORDER BY `slug`, `id`
