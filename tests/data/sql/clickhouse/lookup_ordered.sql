SELECT toString(`id`) AS `toString_1`, toString(`label`) AS `toString_2`
FROM `site`.`year`
WHERE `id` IS NOT NULL AND `label` IS NOT NULL AND (
lang = 'en'
) ORDER BY `start` NULLS FIRST, `label`, `id`
