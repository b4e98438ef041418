def built_price_of(article):
    price = known_prices.get(article)
    built = price or default_price
    return built
