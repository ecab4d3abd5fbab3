"""MariaDB and MySQL as engines."""

from __future__ import annotations

from countercache.databases.engine import Engine
from countercache.databases.mysql.dialect import MySQLDialect
from countercache.databases.mysql.field_values import MariaDBFieldValues, MySQLFieldValues
from countercache.databases.mysql.group_masks import MySQLMasks

MARIADB = Engine(name="MariaDB", dialect=MySQLDialect(), field_values=MariaDBFieldValues, masks=MySQLMasks)
MYSQL = Engine(name="MySQL", dialect=MySQLDialect(), field_values=MySQLFieldValues, masks=MySQLMasks)
