CREATE TABLE orm_compat.lesson_drizzle (id integer PRIMARY KEY, title text NOT NULL);
