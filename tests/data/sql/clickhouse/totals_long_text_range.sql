SELECT toString(`f`.`year_id`) AS `toString_1`, toString(`f`.`field_id`) AS `toString_2`, `m`.`m0`, sum(toDecimal256(`f`.`value`, 2)), count(`f`.`value`), NULL
FROM `figure` AS `f` LEFT OUTER JOIN (SELECT `id` AS `key`, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN (`slug` IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS `m0`
FROM `council`
WHERE `id` IS NOT NULL) AS `m` ON `m`.`key` = `f`.`council_id`
WHERE `f`.`field_id` IN ('7', '9') AND (`f`.`council_id` > 'a''b') GROUP BY `f`.`year_id`, `f`.`field_id`, `m`.`m0`
