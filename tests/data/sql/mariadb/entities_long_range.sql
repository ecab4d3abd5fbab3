SELECT p.`entity`, p.`period`, m.`m0`, p.`c0`, p.`x0`, p.`c1`, p.`x1`, p.`c2`, p.`x2`
FROM (SELECT f.`council_id` AS entity, f.`year_id` AS period, sum(CASE WHEN f.`field_id` = 7 THEN f.`value` END) AS c0, count(CASE WHEN f.`field_id` = 7 THEN f.`value` END) AS x0, sum(CASE WHEN f.`field_id` = 12 THEN f.`value` END) AS c1, count(CASE WHEN f.`field_id` = 12 THEN f.`value` END) AS x1, sum(CASE WHEN f.`field_id` = 9 THEN f.`value` END) AS c2, count(CASE WHEN f.`field_id` = 9 THEN f.`value` END) AS x2
FROM `figure` AS f
WHERE (f.`council_id` > 3 AND f.`council_id` <= 8) GROUP BY f.`council_id`, f.`year_id`) AS p LEFT OUTER JOIN (SELECT `id` AS `key`, CASE WHEN (
region = 'North' -- as the site has it
) THEN 1 ELSE 0 END AS m0
FROM `council`
WHERE `id` IS NOT NULL) AS m ON m.`key` = p.`entity`
