SELECT toString(`f`.`year_id`) AS `toString_1`, toString(`f`.`field_id`) AS `toString_2`, `f`.`m0`, sum(toDecimal256(`f`.`value`, 2)), count(`f`.`value`), NULL
FROM (SELECT `f`.`year_id`, `f`.`field_id`, `f`.`value`, if(`f`.`council_id` >= 0, (SELECT groupArrayInsertAt(0)(toUInt8(`m0`), toUInt32(assumeNotNull(`key`))) FROM (SELECT `id` AS `key`, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN (`slug` IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS `m0`
FROM `council`
WHERE `id` IS NOT NULL))[`f`.`council_id` + 1], 0) AS `m0`
FROM `figure` AS `f`
WHERE `f`.`field_id` IN ('7', '9')) AS `f` GROUP BY `f`.`year_id`, `f`.`field_id`, `f`.`m0`
