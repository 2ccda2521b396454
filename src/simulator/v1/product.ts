/** A thing that is sold: a name that prices belong to. */
export type Product = {
  id: string;
  name: string;
  active: boolean;
  livemode: boolean;
  createdAt: number;
  updatedAt: number;
  metadata: Record<string, string>;
};

/** A product the way API 2026-10-28.endive shows it. Fields that say nothing about usage are left out. */
export function productObject(product: Product) {
  return {
    id: product.id,
    object: "product",
    active: product.active,
    created: product.createdAt,
    default_price: null,
    description: null,
    livemode: product.livemode,
    metadata: product.metadata,
    name: product.name,
    type: "service",
    updated: product.updatedAt,
  };
}
