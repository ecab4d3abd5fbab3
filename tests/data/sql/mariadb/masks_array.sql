SELECT group_concat(concat(repeat('00', k - b - 1), lpad(hex(mask), 2, '0')) ORDER BY k SEPARATOR '') FROM (SELECT m.`key` AS k, m.m0 AS mask, coalesce(lag(m.`key`) OVER (ORDER BY m.`key`), 0) AS b FROM (SELECT `id` AS `key`, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END + CASE WHEN (`slug` IN ('leeds', 'st-helen''s', '50%')) THEN 2 ELSE 0 END AS m0
FROM `council`
WHERE `id` IS NOT NULL) AS m) AS g
