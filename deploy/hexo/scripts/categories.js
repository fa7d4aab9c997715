/* global hexo */
// Posts of the dialect `jekyll` have their levels beside `categories`, which holds a slug.
hexo.extend.filter.register('before_generate', () => Promise.all(
  hexo.model('Post').filter(post => post.label).map(
    post => post.setCategories([post.section, post.label, post.channel].filter(Boolean))
  )
));
