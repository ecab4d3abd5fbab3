SELECT toString(`id`) AS `toString_1`, toString(`label`) AS `toString_2`
FROM `site`.`year`
WHERE `label` IS NOT NULL AND (
lang = 'en'
) AND `id` IN ('1', 'b''', '2.5')
