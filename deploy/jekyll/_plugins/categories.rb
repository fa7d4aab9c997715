# Posts of the dialect `jekyll` have their levels beside `categories`, which holds a slug.
Jekyll::Hooks.register :site, :post_read do |site|
  site.posts.docs.map(&:data).each do |data|
    data["categories"] = data.values_at("section", "label", "channel").compact if data["label"]
  end
end
