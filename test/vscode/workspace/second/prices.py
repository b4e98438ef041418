def price_of(article):
    price = known_prices.get(article)
    return price or default_price
