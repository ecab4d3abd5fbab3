SELECT toString(k) FROM (SELECT arrayJoin(CAST(['South', 'North'], 'Array(String)')) AS k) ORDER BY k
