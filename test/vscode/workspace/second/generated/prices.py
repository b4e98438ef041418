def generated_price_of(article):
    price = known_prices.get(article)
    generated = price or default_price
    return generated
