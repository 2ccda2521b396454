/** What is compared: a meter, and the Stripe customer whose sum it is. */
export function MeterOfCustomer({ of }: { of: { meter: string; customer: string } }) {
  return (
    <>
      {of.meter}
      <p class="small mono">{of.customer}</p>
    </>
  );
}
