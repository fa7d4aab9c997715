/* global hexo */
// Hexo moves every date by what the machine's zone and `timezone` differ: make them the same.
process.env.TZ = hexo.config.timezone;
