SELECT `id`, `label`
FROM `site`.`year`
WHERE `id` IS NOT NULL AND `label` IS NOT NULL AND (
lang = 'en'
) ORDER BY CASE WHEN (`start` IS NULL) THEN 0 ELSE 1 END, `start`, `label`, `id`
