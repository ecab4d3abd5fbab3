SELECT min(replaceRegexpOne(toString(`region`), '\\0+$', ''))
FROM `council`
WHERE `region` IN ('South', 'North') GROUP BY `region` ORDER BY `region`
