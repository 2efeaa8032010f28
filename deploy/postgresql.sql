-- What Compose's PostgreSQL server has when it starts for the first time: a database
-- for each service of the shop, and an account that gets into that one only.
-- The services make their tables themselves.
--
-- The passwords are for development: nobody but the other containers reaches the
-- server. Change them here and in docker-compose.yml before anybody else does.

CREATE ROLE "user" LOGIN PASSWORD 'development';
CREATE DATABASE "user" OWNER "user";
REVOKE ALL ON DATABASE "user" FROM PUBLIC;

CREATE ROLE "order" LOGIN PASSWORD 'development';
CREATE DATABASE "order" OWNER "order";
REVOKE ALL ON DATABASE "order" FROM PUBLIC;

CREATE ROLE "inventory" LOGIN PASSWORD 'development';
CREATE DATABASE "inventory" OWNER "inventory";
REVOKE ALL ON DATABASE "inventory" FROM PUBLIC;

CREATE ROLE "payment" LOGIN PASSWORD 'development';
CREATE DATABASE "payment" OWNER "payment";
REVOKE ALL ON DATABASE "payment" FROM PUBLIC;

CREATE ROLE "notification" LOGIN PASSWORD 'development';
CREATE DATABASE "notification" OWNER "notification";
REVOKE ALL ON DATABASE "notification" FROM PUBLIC;

CREATE ROLE "psp" LOGIN PASSWORD 'development';
CREATE DATABASE "psp" OWNER "psp";
REVOKE ALL ON DATABASE "psp" FROM PUBLIC;
